"""Fetching a model's files from the Hugging Face hub into its cache: the only part that uses the network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatch

from sightsound.errors import ModelError, one_line
from sightsound.plugins.towers import huggingface, openclip
from sightsound.plugins.towers.places import Repository
from sightsound.plugins.towers.tokens import TOKENS

CONFIGS = ("*.json",)


def pull(repository: Repository, weights: Sequence[str], others: Sequence[str] = ()) -> None:
    """Fetch the first of the weights that the repository has, and the files that match the patterns in `others`.

    Honours HF_HOME, HF_HUB_OFFLINE and HF_TOKEN, and goes on where an earlier one was interrupted.
    Raises ModelError.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub import errors as hub
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise ModelError("HF_HUB_OFFLINE is set, so nothing is fetched. Unset it to pull models")
    # It says of each try that it broke off; the last one's reason is in the error.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        info = HfApi().model_info(repository.name, revision=repository.revision or None)
        has = {file.rfilename for file in info.siblings or []}
        chosen = next((name for name in weights if name in has), None)
        if chosen is None:
            raise ModelError(f"The repository {repository.name} has none of {', '.join(weights)}")
        wanted = [name for name in sorted(has) if any(fnmatch(name, pattern) for pattern in others)]
        if chosen.endswith(".index.json"):
            inside = chosen.rpartition("/")[0]
            wanted += [n for n in has if n.endswith(".safetensors") and n.rpartition("/")[0] == inside]
        for name in (*wanted, chosen):
            hf_hub_download(repository.name, name, revision=repository.revision or "main")
    except hub.GatedRepoError as error:
        raise ModelError(
            f"{repository.name} asks for its terms to be accepted at https://huggingface.co/{repository.name}, and for"
            " a token: set HF_TOKEN"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise ModelError(f"{repository.name} has no revision {repository.revision}") from error
    except hub.RepositoryNotFoundError as error:
        raise ModelError(f"The hub has no model {repository.name}, or it is private: then set HF_TOKEN") from error
    except hub.HFValidationError as error:
        raise ModelError(f"'{repository.name}' is no name of a model on the hub: {error}") from error
    except ModelError:
        raise
    except Exception as error:  # of the network's library, which is not always the same one
        raise ModelError(
            f"{repository.name} can't be fetched: {one_line(error)}. Without a network here, fetch"
            f" it on another machine with the same command, and copy {repository.cache} from there to the same place"
        ) from error


def pull_clip(model: openclip.OpenClip) -> None:
    """The model's weights, and the tokenizer that its config names."""
    assert isinstance(model.place, Repository)
    pull(model.place, model.names)
    tokenizer, base = model.text.get("hf_tokenizer_name"), model.text.get("hf_model_name")
    if tokenizer:
        pull(
            Repository(str(tokenizer)),
            (TOKENS,),
            ("tokenizer*.json", "special_tokens_map.json", "config.json"),
        )
    if base and base != tokenizer:
        pull(Repository(str(base)), ("config.json",))


def pull_hf(name: str) -> None:
    """A model of transformers, by `NAME` or `NAME@COMMIT`."""
    repository, _, revision = name.partition("@")
    nested = tuple(f"0_Transformer/{one}" for one in huggingface.NAMES)
    names = (*huggingface.NAMES, *nested, *huggingface.PICKLED)
    pull(Repository(repository, revision), names, CONFIGS)
