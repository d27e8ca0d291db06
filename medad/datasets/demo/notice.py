"""The notice that goes with images made from the MNI152 template, and the name of the file that lists them."""

RECORD = "demo.json"

NOTICE = """\
The images of this folder are simulated from the ICBM 152 nonlinear average brain (2009 release a), read from the
installed nilearn package (file mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz and its gray and white matter maps;
nilearn's own description gives their license as "unknown"). The notice that its authors publish with the atlas:

Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill
University. Permission to use, copy, modify, and distribute this software and its documentation for any purpose and
without fee is hereby granted, provided that the above copyright notice appear in all copies. The authors and McGill
University make no representations about the suitability of this software for any purpose. It is provided "as is"
without express or implied warranty. The authors are not responsible for any data loss, equipment damage, property
loss, or injury to subjects or patients resulting from the use or misuse of this software package.

Changes: warped, scaled, tilted and resliced; contrast, bias field, noise and lesions added. No patient was scanned:
every name, number and date in these files is invented. Not for diagnosis.

V. S. Fonov, A. C. Evans, K. Botteron, C. R. Almli, R. C. McKinstry, D. L. Collins and the Brain Development
Cooperative Group. Unbiased average age-appropriate atlases for pediatric studies. NeuroImage 54(1):313-327, 2011.
doi:10.1016/j.neuroimage.2010.07.033
V. S. Fonov, A. C. Evans, R. C. McKinstry, C. R. Almli, D. L. Collins. Unbiased nonlinear average age-appropriate brain
templates from birth to adulthood. NeuroImage 47, Supplement 1:S102, 2009. doi:10.1016/S1053-8119(09)70884-5
D. L. Collins, A. P. Zijdenbos, W. F. C. Baare, A. C. Evans. ANIMAL+INSECT: improved cortical structure segmentation.
IPMI 1999, LNCS 1613:210-223.
"""
