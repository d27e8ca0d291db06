"""DICOM files to pixels, and DICOM headers to studies."""
