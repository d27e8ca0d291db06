"""Log, register and fetch models in MLflow: copies of the model folder, which ``medad.scoring.mlflow_model`` loads."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medad import __version__
from medad.parsing import ParseError, read_json
from medad.tracking.client import reason, without_password
from medad.tracking.journal import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

LOADER = "medad.scoring.mlflow_model"
CARD = "model.json"
DIGEST_TAG = "medad.digest"
CANDIDATE = "candidate"
REQUIRED = ("torch", "monai", "safetensors", "pydantic")
URI = re.compile(r"models:/+(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))?")


def log_model(client: MlflowClient, experiment: str, run_id: str, folder: Path, name: str) -> str:
    """Log the model in ``folder``, and return the ID of the logged model.

    If the experiment already has a model with equal files, that model becomes an input of the run.

    Raises:
        TrackingError: ``folder`` holds no model of medad.
    """
    digest = folder_digest(folder)
    existing = client.search_logged_models([experiment], f"tags.`{DIGEST_TAG}` = '{digest}'")
    model = existing[0] if existing else _create(client, experiment, run_id, folder, name, digest)
    if model.status != "READY":
        with tempfile.TemporaryDirectory() as place:
            packed = Path(place) / "packed"
            _write(packed, folder, model)
            client.log_model_artifacts(model.model_id, str(packed))
        client.finalize_logged_model(model.model_id, "READY")
    _link(client, run_id, model)
    return str(model.model_id)


def _create(client: MlflowClient, experiment: str, run_id: str, folder: Path, name: str, digest: str) -> LoggedModel:
    """Create a logged model with method, settings and digest, without files yet."""
    card = _card(folder)
    params = {key: str(value) for key, value in {"method": card["method"], **card["settings"]}.items()}
    tags = {DIGEST_TAG: digest}
    return client.create_logged_model(experiment, name, run_id, tags=tags, params=params, model_type=card["method"])


def _link(client: MlflowClient, run_id: str, model: LoggedModel) -> None:
    """Make the model an output of the run that created it, or an input of another run, unless it is one already."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    run = client.get_run(run_id)
    linked = [*run.outputs.model_outputs, *run.inputs.model_inputs]
    if model.model_id in {link.model_id for link in linked}:
        return
    if model.source_run_id == run_id:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    else:
        client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])


def _card(folder: Path) -> dict[str, Any]:
    """Return the card of a model folder, with a check of the fields that are sent to MLflow.

    Raises:
        TrackingError: the card cannot be read, or is not one of medad.
    """
    try:
        card: dict[str, Any] = read_json(folder / CARD)
        if {"method": str, "settings": dict, "map_scale": dict} != {
            key: type(card[key]) for key in ("method", "settings", "map_scale")
        }:
            raise TypeError
    except (ParseError, KeyError, TypeError) as error:
        why = str(error) if isinstance(error, ParseError) else f"{folder / CARD} is no model card of medad"
        raise TrackingError(why) from None
    return card


def _write(target: Path, folder: Path, model: LoggedModel) -> None:
    """Write the model in ``folder`` to ``target`` in MLflow's format."""
    from mlflow import pyfunc
    from mlflow.models import Model

    described = Model(model_id=model.model_id, run_id=model.source_run_id)
    needed = [f"medad=={__version__}", *(f"{name}=={version(name)}" for name in REQUIRED)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*An input example was not provided")  # it would store a picture
        pyfunc.save_model(
            target,
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(list(_card(folder)["map_scale"])),
            pip_requirements=needed,
            mlflow_model=described,
        )


def _signature(scores: list[str]) -> ModelSignature:
    """Return the signature: paths of studies in; scores out, or an error for a study that could not be scored."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [ColSpec("double", name, required=False) for name in (*scores, "p_value", "percentile")]
    result = [ColSpec("boolean", "flagged"), ColSpec("string", "status"), ColSpec("string", "error")]
    return ModelSignature(Schema([ColSpec("string", "path")]), Schema([*columns, *result]))


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 digest of the names and contents of the files in a model folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def register(client: MlflowClient, model_id: str, name: str) -> str:
    """Register a logged model as a version of ``name`` with the alias ``candidate``, and return the version.

    If the model is registered already, return its version, and change no alias.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    registered = [version.version for version in versions if version.tags.get("medad.model_id") == model_id]
    if registered:
        return str(registered[0])  # somebody may have moved the alias since
    model = client.get_logged_model(model_id)
    created = client.create_model_version(
        name, model.artifact_location, model.source_run_id, tags={"medad.model_id": model_id}, model_id=model_id
    )
    client.set_registered_model_alias(name, CANDIDATE, created.version)
    return str(created.version)


def fetch_model(client: MlflowClient, uri: str, into: Path) -> Path:
    """Download the model at ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/ID``, and return its folder.

    The folder is below ``into``; a model that is there already is not downloaded again.

    Raises:
        TrackingError: there is no such model, it is not one of medad, or the store cannot be reached.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        label, place = _locate(client, uri)
        target = into / label
        if not (target / CARD).is_file():
            with tempfile.TemporaryDirectory() as scratch:
                repository = get_artifact_repository(place, tracking_uri=client.tracking_uri)
                packed = Path(repository.download_artifacts("data", scratch))
                folders = [path.parent for path in packed.rglob(CARD)]
                if not folders:
                    raise TrackingError(f"{uri} is no model of medad")
                shutil.copytree(folders[0], target, dirs_exist_ok=True)
    except (MlflowException, OSError) as error:
        place = without_password(client.tracking_uri)
        raise TrackingError(f"cannot get {uri} from {place}: {reason(error)}") from None
    return target


def _locate(client: MlflowClient, uri: str) -> tuple[str, str]:
    """Return a folder name for the model, and the URI of its files.

    Raises:
        TrackingError: ``uri`` has another form.
    """
    parts = URI.fullmatch(uri)
    if parts is None:
        raise TrackingError(f"{uri}: write models:/NAME@ALIAS or models:/NAME/VERSION")
    name, alias, number = parts["name"], parts["alias"], parts["version"]
    if alias is None and number is None:
        return name, str(client.get_logged_model(name).artifact_location)
    if alias is not None:
        number = client.get_model_version_by_alias(name, alias).version
    return f"{name}-v{number}", str(client.get_model_version_download_uri(name, number))
