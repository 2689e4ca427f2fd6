"""Models on disk in TensorFlow Serving's layout.

``<base path>/<version>/saved_model.pb`` is one model; a folder of such folders holds several. Version folders are named
by digits; anything else beside them is ignored (tensorflow/serving, g3doc/serving_config.md).
"""

from pathlib import Path

from serverless_dnn.runtime.errors import NotFoundError

SAVED_MODEL_FILE = "saved_model.pb"


def list_versions(model_folder: Path) -> dict[int, Path]:
    """The version folders of a model.

    Args:
        model_folder: The folder that holds them.

    Returns:
        The folders by version, newest first.

    Raises:
        NotFoundError: The folder does not exist.
    """
    try:
        folders = [entry for entry in model_folder.iterdir() if entry.name.isascii() and entry.name.isdigit()]
    except OSError as error:
        raise NotFoundError(f"cannot read the model folder {model_folder}: {error.strerror}") from None
    return {int(folder.name): folder for folder in sorted(folders, key=lambda folder: int(folder.name), reverse=True)}


def discover_models(base_path: Path, model_name: str | None = None) -> dict[str, Path]:
    """The models at a base path: itself if it holds versions, else the folders in it that do.

    Args:
        base_path: A model's folder, or a folder of models.
        model_name: The name of the one model; without it folders give their names.

    Returns:
        Model folders by name, sorted.

    Raises:
        NotFoundError: There is no SavedModel, or several and one name for them; says what was looked for.
    """
    if any((folder / SAVED_MODEL_FILE).is_file() for folder in list_versions(base_path).values()):
        return {model_name or base_path.resolve().name: base_path}
    models = {
        folder.name: folder
        for folder in sorted(base_path.iterdir())
        if folder.is_dir() and any((version / SAVED_MODEL_FILE).is_file() for version in list_versions(folder).values())
    }
    if model_name is not None and models:
        if model_name in models:
            return {model_name: models[model_name]}
        if len(models) == 1:
            return {model_name: next(iter(models.values()))}
    if not models or model_name is not None:
        raise NotFoundError(
            f"no SavedModel under {base_path}: expected <version>/{SAVED_MODEL_FILE} or <model>/<version>/"
            f"{SAVED_MODEL_FILE} with a numeric version"
            + (f"; there are the models {', '.join(models)}, none of them {model_name}" if models else "")
        )
    return models
