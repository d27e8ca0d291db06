"""Compute metrics from scores and labels: the rows of result.json and results.csv.

A row is a flat mapping; each score of an experiment has one. A key that does not apply is absent or null. Every
interval is stored as NAME_low and NAME_high, at the ``confidence`` of the row (0.95 unless set).

Experiment: dataset, split, method, variant (of the grid's settings, "-" without), network, score, title (the name of
    the score in tables), seed, anomaly_rate, n_unlabeled, n_unlabeled_abnormal, epochs, seconds; primary (whether the
    score represents its method in comparisons of methods), trivial (whether the method is a trivial baseline).
Cases: n_normal, n_abnormal (studies); n_patients (null if some study has no patient); clusters ("patients" if the
    intervals treat the studies of one patient as one cluster, else "studies").
Ranking: auc, auc_low, auc_high, ap, ap_low, ap_high, f1_max, f1_max_low, f1_max_high (F1 at the threshold that is
    best on the test cases themselves: an oracle value); auc_std, ap_std (standard deviations over the K networks that
    are evaluated separately, with K - 1 in the denominator; null for one network).
    The score "single" evaluates M networks separately: its metrics are means over the networks, and its intervals are
    those of that mean over new cases with the same networks.
Acquisition: auc_adjusted, auc_adjusted_low, auc_adjusted_high (the AUC among studies that were acquired alike, see
    medad.functional.adjusted_auc; null where adjusted_note says why); n_comparable (the abnormal studies that it is
    estimated from); acquisition_auc with _low and _high (the AUC of the acquisition score itself, which is fitted to
    the normals and the archive of the training, without labels).
Operating points, for each NAME in the model's thresholds, such as "spec95" (set for a specificity of 95 %) or
    "sens90": NAME_threshold (a study is flagged if score > threshold), NAME_sensitivity, NAME_specificity, each with
    _low and _high (Wilson); NAME_ppv, NAME_npv, each with _low and _high, at the stated ``prevalence`` (absent without
    one).
Pixels, on the network's grid, if the test set has masks: pixel_auc, pixel_ap, pixel_f1_max, pixel_aupro (up to a
    false-positive rate of 0.3), pixel_dice_oracle (at the best threshold on the test masks themselves; a mean over
    studies), pixel_dice at pixel_threshold (from maps of normal training studies, never from the test set), n_masks. A
    published Dice that pools all pixels corresponds to pixel_f1_max, not to pixel_dice_oracle. If the masks are boxes:
    pointing, pointing_low, pointing_high, n_boxes.
    pixel_auc_each, with _low and _high: the AUROC of the pixels within one study, averaged over the studies with a
    mask.
Findings: findings (kinds, joined by "; ", empty for none; see medad.evaluation.findings), derived from the intervals
    above and from normal_spread (the span of the middle 90 % of the scores of normal studies, relative to their size),
    map_contrast (the span of a map's pixels relative to their level; the 90th percentile over slices) and loss_fall
    (the relative fall of the loss at the end of the training; null if nothing was trained).
"""
