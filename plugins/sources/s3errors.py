"""What S3 and botocore answer, as one line that says what to do. Their own texts, which may hold keys, stay here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sightsound.errors import MediaError, SightsoundError

PUBLIC = "for a public bucket add --option no_sign_request=yes"
CREDENTIALS = f"set AWS_PROFILE, or add --option profile=NAME; {PUBLIC}"
REFUSED = {
    "InvalidAccessKeyId": "S3 does not know this access key",
    "SignatureDoesNotMatch": "the secret key does not belong to this access key",
    "ExpiredToken": "these credentials have expired: sign in again",
    "ExpiredTokenException": "these credentials have expired: sign in again",
    "InvalidToken": "the session token is wrong or has expired: sign in again",
    "TokenRefreshRequired": "these credentials have expired: sign in again",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it",
}
GONE = ("NoSuchKey", "404", "NotFound")
"""Codes of an object that is not there; of a bucket it is `NoSuchBucket`."""


@contextmanager
def explained(kind: type[SightsoundError], place: str) -> Iterator[None]:
    """Raise what S3, the network or the credentials bring up as an error of this kind. place: the URI it is about."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        raise kind(_brief(kind, _refusal(error.response, place), place)) from error
    except Boto3Error as error:  # an upload's, around what S3 answered
        cause = error.__context__
        said = _refusal(cause.response, place) if isinstance(cause, ClientError) else _trouble(cause or error, place)
        raise kind(_brief(kind, said, place)) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise kind(_brief(kind, _trouble(error, place), place)) from error


def _brief(kind: type[SightsoundError], said: str, place: str) -> str:
    """What is said of an item is shown beside its address, which is not said twice."""
    return said.removeprefix(f"{place}: ") if issubclass(kind, MediaError) else said


def code_of(error: Any) -> str:
    """The code of an answer that is an error, such as `AccessDenied`; the status where it has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(response: dict[str, Any], place: str) -> str:
    code = str(response.get("Error", {}).get("Code", ""))
    about = response.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode", 0))
    answer = f"{status} {code}" if code != str(status) else code
    region = about.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
    if code in REFUSED:
        return f"{place}: {REFUSED[code]} ({code}); or {CREDENTIALS}"
    if code == "NoSuchBucket":
        return f"There is no bucket {place.split('/')[2]}: look at its name, and at --option endpoint=URL"
    if code in GONE:
        return f"{place} is not there (any more)"
    if code in ("PreconditionFailed", "412"):
        return f"{place} changed while it was read; index again to read it as it is now"
    if code == "InvalidObjectState":
        return f"{place} lies in an archive class (Glacier); restore it in S3 first"
    if status in (301, 307) or code in ("AuthorizationHeaderMalformed", "PermanentRedirect"):
        where = f"in the region {region}: add --option region={region}" if region else "in another region: name it with"
        return f"{place} lies {where}" + ("" if region else " --option region=NAME")
    if status == 403:
        return f"Access to {place} is denied ({code}). Ask for s3:ListBucket and s3:GetObject, or {CREDENTIALS}"
    if status >= 500 or code in ("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout"):
        return f"{place}: S3 answers {answer}, several times over; try again later, items with --retry"
    return f"{place}: S3 answers {answer}; look at the address and the options"


def _trouble(error: BaseException, place: str) -> str:
    from botocore import exceptions as known

    name = type(error).__name__
    if isinstance(error, known.PartialCredentialsError):
        return f"The AWS credentials lack a part: set access key and secret key, or {CREDENTIALS}"
    if isinstance(error, known.NoCredentialsError):
        return f"There are no AWS credentials for {place}: {CREDENTIALS}"
    if isinstance(error, known.ProfileNotFound):
        return f"{error}. Profiles are those of ~/.aws/config"
    if "SSO" in name or "Token" in name or "CredentialRetrieval" in name or "Refresh" in name or "Login" in name:
        return f"The AWS credentials could not be had ({name}): sign in again, with `aws sso login` say"
    if isinstance(error, known.EndpointConnectionError | known.ConnectTimeoutError | known.ProxyConnectionError):
        return f"{place}: the server can't be reached; look at the network, and at --option endpoint=URL"
    if isinstance(error, known.SSLError):
        return f"{place}: the server's certificate is not accepted; look at --option endpoint=URL and AWS_CA_BUNDLE"
    if isinstance(error, known.ReadTimeoutError):
        return f"{place}: the server stopped answering; try again later, items with --retry"
    if isinstance(error, known.ParamValidationError | known.InvalidRegionError):
        return f"{place}: that can't be the name of a bucket, a key or a region"
    if isinstance(error, known.HTTPClientError | known.IncompleteReadError):
        return f"{place}: the connection broke off, several times over ({name}); try again later, items with --retry"
    return f"{place}: {name}; look at the AWS configuration"
