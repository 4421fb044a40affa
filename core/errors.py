"""Every error that sightsound raises on purpose. Each message says what to do next.

    SightsoundError
      UsageError            the call itself is wrong                        exit 2, HTTP 400
      ConfigError           a setting is wrong                              exit 2, HTTP 500
      PluginError           a plug-in is missing, broken or clashes         exit 1, HTTP 500
        EncodingError       an encoder failed at what it was given          exit 1, HTTP 500
      SourceError           a source can't be listed                        exit 1, HTTP 502
      MediaError            one file can't be read; costs that item only    exit 1, HTTP 422
        MediaGone           it is gone, or is not what was indexed          exit 1, HTTP 410
      Busy                  too much is asked at once; come again           exit 1, HTTP 503
      StoreError            the store can't be used                         exit 1, HTTP 503
        CollectionMissing   no such collection                              exit 1, HTTP 404
        CollectionBusy      another process indexes it                      exit 1, HTTP 409
        NewerSchema         written by a newer sightsound                   exit 1, HTTP 503
      ModelError            a model is missing, damaged or refused          exit 1, HTTP 503
      FingerprintMismatch   built with another model                        exit 1, HTTP 409
      ItemMissing           no such item, or several                        exit 1, HTTP 404
      ServingError          the site can't be served at that address        exit 1

Caught once, at the edge: the command line prints the message and exits with `exit_code`, the site answers with
`status`. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

LONGEST_REASON = 300
"""Characters that are told of what a library says."""


class SightsoundError(Exception):
    exit_code = 1
    status = 500


class UsageError(SightsoundError):
    exit_code = 2
    status = 400


class ConfigError(SightsoundError):
    exit_code = 2


class PluginError(SightsoundError):
    pass


class EncodingError(PluginError):
    pass


class SourceError(SightsoundError):
    status = 502


class MediaError(SightsoundError):
    status = 422


class MediaGone(MediaError):
    status = 410


class Busy(SightsoundError):
    """Too much is asked at once. retry_after: seconds after which it may be asked again."""

    status = 503

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreError(SightsoundError):
    status = 503


class CollectionMissing(StoreError):
    status = 404


class CollectionBusy(StoreError):
    status = 409


class NewerSchema(StoreError):
    pass


class ModelError(SightsoundError):
    status = 503


class FingerprintMismatch(SightsoundError):
    status = 409


class ItemMissing(SightsoundError):
    status = 404


class ServingError(SightsoundError):
    pass


def one_line(error: BaseException) -> str:
    """What an error says, on one line that is not too long; the name of its type where it says nothing."""
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__


def explain(error: BaseException) -> str:
    """One line that says what went wrong, with the type of error: for what nobody foresaw."""
    said, name = one_line(error), type(error).__name__
    return name if said == name else f"{name}: {said}"
