"""The detector: a method with its settings, which learns from images, scores others, and is saved and loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from medad.api.inputs import InputError, is_single, items_of
from medad.config import Settings, build
from medad.registry import methods
from medad.types import MedadError

if TYPE_CHECKING:
    from medad.api.results import Result
    from medad.model import Model

IN_REGISTRY = "models:/"


class NotFitted(MedadError):
    """The detector has learned nothing yet."""


class Detector:
    """Finds abnormal images. Larger scores are more abnormal, for every method and every score.

    It follows scikit-learn's conventions where they fit: :meth:`get_params` and :meth:`set_params`,
    ``sklearn.base.clone``, and a place at the end of a ``Pipeline`` over arrays, whose ``decision_function`` gives the
    scores. Unlike scikit-learn's outlier detectors, larger means more abnormal, and :meth:`score` returns results and
    not a measure of quality.

    Args:
        method: A name that ``medad methods`` lists.
        settings: The settings of the method, as ``medad settings METHOD`` lists them.

    Raises:
        UnknownName: there is no such method.
        ConfigError: a setting does not exist, or its value is not allowed.
    """

    def __init__(self, method: str, **settings: Any) -> None:
        self.method = method
        self._given = settings
        self._checked = _checked(method, settings)
        self._model: Model | None = None
        self._marks = ""

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self._given.items())
        return f"medad.method({self.method!r}{settings}){'' if self._model is None else '  # fitted'}"

    @property
    def settings(self) -> Settings:
        """All settings of the method, those that were not given included."""
        return self._checked

    @property
    def model(self) -> Model:
        """The trained method with its card. Raises NotFitted."""
        if self._model is None:
            raise NotFitted(f"medad.method({self.method!r}) has learned nothing yet: call fit(normal), or medad.load")
        return self._model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the method's name and the settings that were given, as scikit-learn asks for them."""
        return {"method": self.method, **self._given}

    def set_params(self, **params: Any) -> Self:
        """Change the method or its settings; what was learned stays until the next :meth:`fit`.

        Raises:
            UnknownName: there is no such method.
            ConfigError: a setting does not exist, or its value is not allowed.
        """
        method = params.pop("method", self.method)
        settings = {**self._given, **params}
        self._checked = _checked(method, settings)
        self.method, self._given = method, settings
        return self

    def fit(self, normal: Any, unlabeled: Any = None, *, seed: int = 0, device: str = "cpu") -> Self:
        """Learn from known-normal images and, if the method does, from unlabeled ones; return the detector itself.

        Args:
            normal: An array (N, C, H, W), a list of files, studies or arrays, a folder, a manifest (its file), or a
                ``TrainingSet``. Pixels are read as from a file: integers of 8 bits as 0 to 255.
            unlabeled: The same, for images of which nobody knows whether they are normal; None for none.
            seed: The seed of everything random: the same data and seed give the same model.
            device: "cpu" or "cuda".

        Raises:
            MedadError: an image cannot be read, there are too few images, or a training fails; the message says which.
        """
        from medad.api.training import trained

        self._model, self._marks = trained(self.method, self._checked, normal, unlabeled, seed, device)
        return self

    def score(
        self,
        images: Any,
        *,
        score: str = "",
        map: str = "",
        alpha: float = 0.05,
        threshold: float | None = None,
        point: str | None = None,
        force: bool = False,
    ) -> Any:
        """Score images, and return a :class:`Result` for one image or a list of results for several.

        Args:
            images: The path of a file or of the folder of one series, an array (H, W) or (C, H, W), or a study: one
                result. An array (N, C, H, W) or a list of these: a list of N results, in order.
            score: The score that ranks and flags; "" for the one that the model's card names.
            map: The score whose map the results have; "" for the one that the card names.
            alpha: Images with a p-value up to this are flagged, if normals were held out of training.
            threshold: Images with a score above this are flagged.
            point: The operating point of the model that flags instead of ``threshold``.
            force: Score also what is unlike the training images, which has the status "skipped" otherwise.

        Raises:
            MedadError: a single image cannot be read, or the arguments are wrong. In a list, an image that cannot be
                read has a result with the status "failed" and the reason, and costs no other image its score.
        """
        results = list(
            self._results(images, force, score=score, map=map, alpha=alpha, threshold=threshold, point=point)
        )
        return results[0] if is_single(images) else results

    def _results(self, images: Any, force: bool, **chosen: Any) -> Iterator[Result]:
        from medad.api.results import result_of
        from medad.scoring.study_scorer import StudyScorer, model_verdicts

        verdicts = model_verdicts(self.model, **chosen)
        single = is_single(images)
        with closing(StudyScorer(self.model, verdicts, force=force)) as scorer:
            for scored in scorer(items_of(images, self.model.method.settings)):
                if single and scored.status == "failed" and scored.error is not None:
                    raise scored.error
                yield result_of(scored, verdicts)

    def decision_function(self, images: Any) -> NDArray[np.float64]:
        """Return the score that ranks, (N,), of N images, for scikit-learn's pipelines; larger is more abnormal.

        Raises:
            NotScored: an image cannot be read or is unlike the training images; :meth:`score` returns the others.
        """
        from medad.api.results import NotScored

        results: list[Result] = self.score([images] if is_single(images) else images)
        for place, result in enumerate(results):
            if result.score is None:
                raise NotScored(f"image {place} has no score: {result.reason}")
        return np.array([result.score for result in results], np.float64)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, which ``medad.load`` and every command read, and return its path.

        Raises:
            NotFitted: there is nothing to save.
            InputError: the folder holds something else.
            WriteError: the operating system refuses.
        """
        from medad.data.training_marks import FILE
        from medad.files import write_text
        from medad.model import CARD, save

        target, model = Path(folder), self.model
        if target.is_file() or (target.is_dir() and any(target.iterdir()) and not (target / CARD).is_file()):
            raise InputError(f"{target} holds something else than a model: choose another folder")
        target.mkdir(parents=True, exist_ok=True)
        save(target, model.method, model.card)
        write_text(target / FILE, self._marks)
        return target

    @classmethod
    def of_folder(cls, folder: Path, device: str) -> Self:
        """Return the detector of a model folder. Raises ModelError."""
        from medad.data.training_marks import FILE
        from medad.model import load as load_model

        model = load_model(folder, device)
        detector = cls(model.card.method, **model.card.settings)
        detector._model = model
        detector._marks = (folder / FILE).read_text(encoding="ascii") if (folder / FILE).is_file() else ""
        return detector

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        inputs = InputTags(two_d_array=False, three_d_array=True)
        return Tags(estimator_type="outlier_detector", target_tags=TargetTags(required=False), input_tags=inputs)


def _checked(method: str, settings: dict[str, Any]) -> Settings:
    checked: Settings = build(methods.settings(methods.check(method)), settings, f"medad.method({method!r})")
    return checked


def method(name: str, /, **settings: Any) -> Detector:
    """Return a detector that has learned nothing yet: ``medad.method("pca", size=32).fit(normal)``.

    Args:
        name: A name that ``medad methods`` lists.
        settings: The settings of the method, as ``medad settings METHOD`` lists them.

    Raises:
        UnknownName: there is no such method.
        ConfigError: a setting does not exist, or its value is not allowed.
    """
    return Detector(name, **settings)


def load(source: str | Path, *, device: str = "cpu", tracking_uri: str | None = None) -> Detector:
    """Load a trained detector from a model folder, or from MLflow's registry.

    Args:
        source: A model folder, or "models:/NAME@ALIAS" or "models:/NAME/VERSION".
        device: "cpu" or "cuda".
        tracking_uri: MLflow's store or server; by default what MLFLOW_TRACKING_URI says.

    Raises:
        ModelError: the folder holds no model, or its files do not fit; the message names the part.
        TrackingError: the registry cannot be reached, or has no such model.
    """
    if not str(source).startswith(IN_REGISTRY):
        return Detector.of_folder(Path(source), device)
    from medad.tracking.opening import fetch

    with tempfile.TemporaryDirectory() as place:
        return Detector.of_folder(fetch(str(source), tracking_uri, Path(place)), device)
