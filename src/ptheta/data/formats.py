"""The way out for files of formats that are not read: one command that makes of them what is."""

import shlex
from pathlib import Path

__all__ = ["way_out"]

TABLE = "import pandas; pandas.read_{0}({1!r}).to_csv({2!r}, index=False)"
JSON = "import pandas; pandas.read_json({1!r}).to_csv({2!r}, index=False)"
MATLAB = (
    "import numpy, scipy.io; a = scipy.io.loadmat({1!r}); "
    "numpy.savez({2!r}, **{{k: v for k, v in a.items() if k[0] != '_'}})"
)
SOUND = (
    "import numpy, scipy.io.wavfile as w; x = w.read({1!r})[1].astype('float32'); x = x.mean(1) if x.ndim > 1 else x; "
    "numpy.save({2!r}, x[: len(x) // 256 * 256].reshape(-1, 256))"
)
HDF = "import h5py, numpy; numpy.savez({2!r}, **{{k: v[:] for k, v in h5py.File({1!r}).items()}})"

# the ending, what does it (its pandas reader), the ending of what comes out, and what else to know
WAYS: dict[str, tuple[str, str, str, str]] = {
    ".feather": (TABLE, "feather", ".csv", ""),
    ".xls": (TABLE, "excel", ".csv", ""),
    ".ods": (TABLE, "excel", ".csv", ""),
    ".sas7bdat": (TABLE, "sas", ".csv", ""),
    ".dta": (TABLE, "stata", ".csv", ""),
    ".sav": (TABLE, "spss", ".csv", ""),
    ".json": (JSON, "", ".csv", ""),
    ".mat": (MATLAB, "", ".npz", "name the events x and their labels y"),
    ".wav": (SOUND, "", ".npy", "each event is then 256 samples"),
    ".h5": (HDF, "", ".npz", "name the events x and their labels y"),
    ".hdf5": (HDF, "", ".npz", "name the events x and their labels y"),
}
WORDS = {
    ".zip": "Unpack it, then give the folder or the file that was in it.",
    ".tar": "Unpack it, then give the folder or the file that was in it.",
    ".tgz": "Unpack it, then give the folder or the file that was in it.",
    ".gz": "Unpack it (gunzip), then give the file that was in it.",
    ".bz2": "Unpack it (bunzip2), then give the file that was in it.",
    ".xz": "Unpack it (unxz), then give the file that was in it.",
    ".7z": "Unpack it, then give the folder or the file that was in it.",
    ".pkl": "Pickles run code when they are opened, so they never are: save the arrays in it with numpy.savez.",
    ".pickle": "Pickles run code when they are opened, so they never are: save the arrays in it with numpy.savez.",
    ".pt": "Such files can run code when they are opened: save the tensor with numpy.save(path, tensor.numpy()).",
    ".pth": "Such files can run code when they are opened: save the tensor with numpy.save(path, tensor.numpy()).",
    ".mp3": "Turn it into .wav, for example with ffmpeg -i, and that into an array.",
    ".flac": "Turn it into .wav, for example with ffmpeg -i, and that into an array.",
    ".ogg": "Turn it into .wav, for example with ffmpeg -i, and that into an array.",
    ".mp4": "Turn it into a folder of pictures, for example with ffmpeg -i.",
    ".avi": "Turn it into a folder of pictures, for example with ffmpeg -i.",
    ".mov": "Turn it into a folder of pictures, for example with ffmpeg -i.",
    ".mid": "Turn it into a piano roll, an .npy file of bits.",
    ".midi": "Turn it into a piano roll, an .npy file of bits.",
    ".pdf": "Save its text as .txt, or its pages as pictures.",
    ".md": "It is text: give it an ending of .txt.",
    ".html": "Save its text as .txt.",
    ".data": "If it is a table, give it an ending of .csv.",
    ".dat": "If it is a table, give it an ending of .csv.",
}


def way_out(path: Path) -> str:
    """What to do about a file of a format that is not read.

    Args:
        path: The file.

    Returns:
        A sentence; none for an ending that is not known.
    """
    ending = path.suffix.lower()
    if ending in WORDS:
        return WORDS[ending]
    if ending not in WAYS:
        return "If it is text, give it an ending of .txt; if it is a table, .csv."
    code, reader, made, more = WAYS[ending]
    script = code.format(reader, str(path), str(path.with_suffix(made)))
    return f"Turn it into {made} first (python -c {shlex.quote(script)}){more and '; ' + more}."
