"""Good files of every format that medad reads, small, from which the fuzzer makes damaged copies."""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom.data
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from PIL import Image

SMALL = 200_000  # bytes; larger files of pydicom are left out
PNG = b"\x89PNG\r\n\x1a\n"
GZIP = b"\x1f\x8b"


def originals() -> dict[str, bytes]:
    """Return files by name: DICOM (pydicom's own, all transfer syntaxes), NIfTI, MGH, raster, NRRD, MetaImage."""
    rng = np.random.default_rng(0)
    return {**_dicom(), **_nifti(rng), **_raster(rng), **_itk(rng)}


def format_of(name: str) -> str:
    """Return the format of an original, for the summary."""
    suffix = name.removesuffix(".gz").rpartition(".")[2].upper()
    return {"DCM": "DICOM", "NII": "NIfTI", "TIF": "TIFF", "JPG": "JPEG", "MHA": "MetaImage", "MGZ": "MGH"}.get(
        suffix, suffix
    )


def _dicom() -> dict[str, bytes]:
    folder = Path(pydicom.data.__file__).parent / "test_files"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.dcm")) if path.stat().st_size <= SMALL}


def _nifti(rng: np.random.Generator) -> dict[str, bytes]:
    files = {}
    for kind in (np.int16, np.float32, np.uint8):
        volume = (rng.random((12, 10, 6)) * 100).astype(kind)
        for form in (nib.Nifti1Image, nib.Nifti2Image):
            plain = form(volume, np.diag([2.0, 2, 3, 1])).to_bytes()
            files[f"{form.__name__}{np.dtype(kind).name}.nii"] = plain
            files[f"{form.__name__}{np.dtype(kind).name}.nii.gz"] = gzip.compress(plain, mtime=0)
    color = np.zeros((5, 4, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    files["rgb.nii"] = nib.Nifti1Image(color, np.eye(4)).to_bytes()
    files["4d.nii"] = nib.Nifti1Image(rng.random((5, 4, 3, 2), np.float32), np.eye(4)).to_bytes()
    plain = nib.MGHImage(rng.random((6, 5, 4), np.float32), np.eye(4)).to_bytes()
    files["volume.mgh"], files["volume.mgz"] = plain, gzip.compress(plain, mtime=0)
    return files


def _raster(rng: np.random.Generator) -> dict[str, bytes]:
    gray = np.round(rng.random((20, 16)) * 255).astype(np.uint8)
    deep = gray.astype(np.uint16) * 257
    color = np.stack([gray, gray[::-1], 255 - gray], axis=-1)
    images = {"gray": gray, "deep": deep, "color": color}
    files = {f"{name}.png": _saved(Image.fromarray(pixels), "PNG") for name, pixels in images.items()}
    files["palette.png"] = _saved(Image.fromarray(color).quantize(16), "PNG")
    files["alpha.png"] = _saved(Image.fromarray(gray).convert("LA"), "PNG")
    files["color16.png"] = _png_of_16_bits(color.astype(">u2") * 257)
    for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        files |= {f"{n}_{packing}.tif": _saved(Image.fromarray(p), "TIFF", packing) for n, p in images.items()}
    files["jpeg.tif"] = _saved(Image.fromarray(color), "TIFF", "jpeg")
    files["fax.tif"] = _saved(Image.fromarray(gray > 99), "TIFF", "group4")
    files["float.tif"] = _saved(Image.fromarray(gray.astype(np.float32)), "TIFF")
    pages, stream = [Image.fromarray(gray + np.uint8(index)) for index in range(3)], io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    files["pages.tif"] = stream.getvalue()
    for name in ("gray", "color"):
        files[f"{name}.jpg"] = _saved(Image.fromarray(images[name]), "JPEG")
        files[f"{name}.bmp"] = _saved(Image.fromarray(images[name]), "BMP")
    return files


def _saved(image: Image.Image, form: str, packing: str | None = None) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({"compression": packing} if packing else {}))
    return stream.getvalue()


def _png_of_16_bits(pixels: np.ndarray) -> bytes:
    """Return a PNG of 16-bit RGB, which Pillow does not write. Source: PNG (third edition), chapter 11."""
    height, width, _ = pixels.shape
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return PNG + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def with_checksums(png: bytes) -> bytes:
    """Return a damaged PNG whose chunks have the checksums of their content, as far as they can be followed."""
    copy, at = bytearray(png), len(PNG)
    while at + 12 <= len(copy):
        end = at + 8 + int.from_bytes(copy[at : at + 4], "big")
        copy[end : end + 4] = zlib.crc32(copy[at + 4 : end]).to_bytes(4, "big")[: max(0, len(copy) - end)]
        at = end + 4
    return bytes(copy)


def _itk(rng: np.random.Generator) -> dict[str, bytes]:
    files = {}
    shapes = {"volume": ((6, 5, 4), False), "plane": ((7, 6), False), "vector": ((5, 4, 3, 3), True)}
    with tempfile.TemporaryDirectory() as folder:
        for name, (shape, vector) in shapes.items():
            for packed in (False, True):
                for suffix in ("nrrd", "mha"):
                    path = Path(folder) / f"{name}{'_gzip' if packed else ''}.{suffix}"
                    image = sitk.GetImageFromArray((rng.random(shape) * 99).astype(np.int16), isVector=vector)
                    sitk.WriteImage(image, str(path), packed)
                    files[path.name] = path.read_bytes()
    return files
