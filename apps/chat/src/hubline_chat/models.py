"""The models that answer: those of the settings, and how they run."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

from hubline import ConfigurationError
from hubline.models import ChatModel, LocalModel, LocalStatus, OpenAIModel, bundled_model
from hubline_chat.reading import Models
from hubline_chat.settings import ChatSettings

SMOLLM2 = "SmolLM2 135M"
LOCAL_ANSWER_TOKENS, LOCAL_PREMIUM_TOKENS = 512, 1_536

ModelState = Callable[[Literal["starting", "ready", "failed"], str | None], None]
"""Hears how the model stands, with a sentence for people."""


def make_models(settings: ChatSettings, model_is: ModelState) -> Models:
    """The standard and the premium model of the settings.

    Raises:
        ConfigurationError: there is no model.
    """
    pieces = None
    if settings.model_url is not None and settings.model is not None:
        standard: ChatModel = _endpoint(settings.model, settings.model_url, settings, settings.answer_tokens)
    else:
        standard = _local(settings, model_is)
        pieces = None if settings.premium_model is not None else settings.answer_tokens or LOCAL_ANSWER_TOKENS
    if settings.premium_model is not None:
        url = settings.premium_model_url or str(settings.model_url)
        return Models(standard, _endpoint(settings.premium_model, url, settings, settings.premium_answer_tokens))
    if settings.model_url is not None and settings.model is not None:
        longer = _endpoint(settings.model, settings.model_url, settings, settings.premium_answer_tokens)
        return Models(standard, longer)
    return Models(standard, standard, pieces)


@asynccontextmanager
async def running(models: Models, model_is: ModelState) -> AsyncIterator[None]:
    """A local model runs as long as the application; any other one is taken for ready."""
    async with AsyncExitStack() as stack:
        if isinstance(models.standard, LocalModel):
            await stack.enter_async_context(models.standard)
        else:
            model_is("ready", None)
        for model in {id(model): model for model in (models.standard, models.premium)}.values():
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
        on_status=changed,
    )
