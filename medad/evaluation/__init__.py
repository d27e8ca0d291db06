"""Scores and labels -> metrics: the rows of result.json and results.csv.

A row is flat, one for each score of an experiment. A key that does not apply is left out or null; every interval is
NAME_low and NAME_high, at the ``confidence`` of the row (0.95 unless set).

What was run: dataset, split, method, variant (of the grid's settings, "-" without), network, score, title (what
    tables call the score), seed, anomaly_rate, n_unlabeled, n_unlabeled_abnormal, epochs, seconds; primary (whether the
    score stands for its method in comparisons of methods), trivial (whether the method is a baseline to be beaten).
The cases: n_normal, n_abnormal (studies); n_patients (null: not every study says whose it is); clusters ("patients"
    where the intervals treat the studies of one patient as one, else "studies").
Ranking: auc, auc_low, auc_high, ap, ap_low, ap_high, f1_max, f1_max_low, f1_max_high (F1 at the threshold that is
    best on these very cases: an oracle); auc_std, ap_std (over the K networks that are judged one
    by one, with K - 1 in the denominator; null for one).
    For "single", which judges M networks one by one, a metric is the mean over them, and its interval that of the mean
    over new cases with the same networks.
Operating points, for each NAME in the model's thresholds, such as "spec95" (made for a specificity of 95 %) or
    "sens90": NAME_threshold (flagged means score > threshold), NAME_sensitivity, NAME_specificity, each with _low and
    _high (Wilson); NAME_ppv, NAME_npv, each with _low and _high, at the stated ``prevalence`` (absent without one).
Pixels, on the network's grid, where there are masks: pixel_auc, pixel_ap, pixel_f1_max, pixel_aupro (to a false-
    positive rate of 0.3), pixel_dice_oracle (best threshold on these very masks; a mean over studies), pixel_dice at
    pixel_threshold (from maps of normals, never from test), n_masks; a published Dice that pools all pixels is
    pixel_f1_max, and not pixel_dice_oracle; where masks are boxes: pointing, pointing_low, pointing_high, n_boxes.
    pixel_auc_each, with its _low and _high: the mean over studies with marks of the AUROC of a study's own pixels.
What speaks against it: findings (kinds, joined by "; ", empty for none; medad.evaluation.findings says what they mean),
    made from the intervals above and from normal_spread (the span of the middle 90 % of the scores of normal studies,
    as a share of their size), map_contrast (the span of a map's pixels as a share of their level, which nine of ten
    slices do not exceed) and loss_fall (how far the loss still fell at the end of the training; null where nothing was
    trained).
"""
