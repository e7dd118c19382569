"""The models of the settings, and how they run."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

from hubline import ConfigurationError
from hubline.models import ChatModel, LocalModel, LocalStatus, OpenAIModel, bundled_model
from hubline_chat.catalogue import Catalogue, pair
from hubline_chat.model_file import read_models
from hubline_chat.settings import ChatSettings

SMOLLM2 = "SmolLM2 135M"
LOCAL_WINDOW = 4_096
"""Tokens of the local model's context."""
LOCAL_ANSWER_TOKENS, LOCAL_PREMIUM_TOKENS = 512, 1_536

ModelState = Callable[[Literal["starting", "ready", "failed"], str | None], None]
"""Receives the status of the model, with a sentence for people."""


def make_models(settings: ChatSettings, model_is: ModelState) -> Catalogue:
    """The models of the settings: those of a file, or a standard and a premium one.

    Raises:
        ConfigurationError: there is no model, or the file is not valid.
    """
    if settings.model_tools and (settings.models is not None or (settings.is_local and settings.premium_model is None)):
        instead = "the local model cannot use any" if settings.models is None else "say `tools = true` in the file"
        raise ConfigurationError([f"HUBLINE_CHAT_MODEL_TOOLS is for one model at an endpoint: {instead}"])
    if settings.models is not None:
        return read_models(settings.models)
    if settings.model_url is not None and settings.model is not None:
        standard: ChatModel = _endpoint(settings.model, settings.model_url, settings, settings.answer_tokens)
    else:
        standard = _local(settings, model_is)
    if settings.premium_model is not None:
        url = settings.premium_model_url or str(settings.model_url)
        return paired(
            settings, standard, _endpoint(settings.premium_model, url, settings, settings.premium_answer_tokens)
        )
    if settings.model_url is not None and settings.model is not None:
        longer = _endpoint(settings.model, settings.model_url, settings, settings.premium_answer_tokens)
        return paired(settings, standard, longer)
    return paired(settings, standard, standard, settings.answer_tokens or LOCAL_ANSWER_TOKENS)


def paired(settings: ChatSettings, standard: ChatModel, premium: ChatModel, pieces: int | None = None) -> Catalogue:
    """Two models as the settings describe both."""
    return pair(
        standard,
        premium,
        characters=settings.context_of_pair,
        window=settings.context_tokens,
        answer_tokens=max(settings.answer_tokens or 0, settings.premium_answer_tokens or 0) or None,
        pieces=pieces,
        is_local=settings.is_local,
        is_premium_local=settings.is_local and settings.premium_model is None,
        images=(
            settings.model_images,
            settings.model_images if settings.premium_model is None else settings.premium_model_images,
        ),
        takes_tools=settings.model_tools,
    )


@asynccontextmanager
async def running(models: Catalogue, model_is: ModelState) -> AsyncIterator[None]:
    """A local model runs as long as the application; any other one is considered ready."""
    async with AsyncExitStack() as stack:
        if isinstance(models.usual.model, LocalModel):
            await stack.enter_async_context(models.usual.model)
        else:
            model_is("ready", None)
        for model in {id(offer.model): offer.model for offer in models.offers}.values():
            if isinstance(model, OpenAIModel):
                stack.push_async_callback(model.close)
        yield


def _endpoint(model: str, url: str, settings: ChatSettings, tokens: int | None) -> OpenAIModel:
    is_premium = model == settings.premium_model and settings.premium_model_key is not None
    secret = settings.premium_model_key if is_premium else settings.model_key
    key = secret.get_secret_value() if secret is not None else None
    return OpenAIModel(model, base_url=url, api_key=key, max_tokens=tokens)


def _local(settings: ChatSettings, model_is: ModelState) -> LocalModel:
    try:
        path = Path(settings.model) if settings.model is not None else bundled_model()
    except FileNotFoundError as error:
        way_out = "`make chat` installs it; or name an endpoint by HUBLINE_CHAT_MODEL_URL and HUBLINE_CHAT_MODEL"
        raise ConfigurationError([f"there is no local model: {error}. {way_out}"]) from error

    def changed(status: LocalStatus) -> None:
        model_is(status.state.value, status.detail)

    standard = settings.answer_tokens or LOCAL_ANSWER_TOKENS
    premium = settings.premium_answer_tokens or max(LOCAL_PREMIUM_TOKENS, standard)
    return LocalModel(
        path,
        name=None if settings.model is not None else SMOLLM2,
        max_tokens=standard if settings.premium_model is not None else max(standard, premium),
        slots=settings.model_slots,
        context=settings.context_tokens or LOCAL_WINDOW,
        on_status=changed,
    )
