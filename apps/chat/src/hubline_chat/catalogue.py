"""The models that people can choose: who may use which, what fits into it, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from hubline import HubError
from hubline.models import ChatModel, ToolModel
from hubline_chat.contract import Role, TierName
from hubline_chat.contract_models import Access, Model
from hubline_chat.store import User

LEAST_CONTEXT = 200
"""Characters that a conversation has at least, whatever the window and the instructions are."""
TOKEN_CHARACTERS = 3
"""Characters that a token has at least in most texts: fewer than the four of the allowance, so that they do fit."""
MICRO = 1_000_000
"""Costs are counted in millionths of the currency: then a price for a million tokens is one for a token."""
_RANKS: tuple[Access, ...] = ("guest", "free", "premium", "admin")
_WHOSE = {
    "free": "people with an account. Create one to use it",
    "premium": "premium accounts. An administrator can make yours one",
    "admin": "administrators",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A model with what is known of it.

    `characters`: of a conversation, when the setting says so. `answer_tokens`: the longest answer, if it is limited;
    `pieces`: the same where one model gives answers of two lengths. `is_local`: it runs on this machine, and is small.
    """

    info: Model
    model: ChatModel
    characters: int | None = None
    answer_tokens: int | None = None
    pieces: int | None = None
    is_local: bool = False
    tool_model: ToolModel | None = None
    """The same model, if it is to be offered tools."""

    def budget(self, system: str) -> int:
        """Characters of a question and what was said before it, beside the instructions `system`."""
        window = self.info.context_tokens
        if self.characters is not None or window is None:
            return self.characters or LEAST_CONTEXT
        answer = min(self.answer_tokens or 0, window // 2) or window // 4
        return max(LEAST_CONTEXT, (window - answer) * TOKEN_CHARACTERS - len(system))

    def cost(self, input_tokens: int, output_tokens: int) -> int | None:
        """Millionths of the currency; `None` without a price."""
        if self.info.input_price is None and self.info.output_price is None:
            return None
        return round(input_tokens * (self.info.input_price or 0) + output_tokens * (self.info.output_price or 0))

    def is_for(self, role: Role, tier: TierName) -> bool:
        """Whether such a person may use it."""
        return is_for(role, tier, self.info.tier)


def is_for(role: Role, tier: TierName, access: Access) -> bool:
    """Whether such a person may use what is for those of a tier and above. Administrators may use everything."""
    return role == "admin" or _RANKS.index(tier) >= _RANKS.index(access)


class Catalogue:
    """All models. The first is the usual one: it also finds titles."""

    def __init__(self, offers: Sequence[Offer], currency: str = "USD") -> None:
        self.offers, self.currency = tuple(offers), currency
        self._by_id = {offer.info.id: offer for offer in offers}

    @property
    def usual(self) -> Offer:
        return self.offers[0]

    @property
    def infos(self) -> list[Model]:
        return [offer.info for offer in self.offers]

    @property
    def has_tools(self) -> bool:
        return any(offer.tool_model is not None for offer in self.offers)

    @property
    def has_prices(self) -> bool:
        return any(offer.cost(0, 0) is not None for offer in self.offers)

    def get(self, model_id: str) -> Offer:
        """The model with this id. One that is not offered any more is answered for by the usual one."""
        return self._by_id.get(model_id, self.usual)

    def chosen(self, user: User, model_id: str) -> Offer:
        """The model that a person names.

        Raises:
            HubError: it does not exist, or is not for this person.
        """
        offer = self._by_id.get(model_id)
        if offer is None:
            raise HubError("This model is not offered any more. Choose another one.")
        if not offer.is_for(user.role, user.tier):
            raise HubError(f"{offer.info.name} is for {_WHOSE[offer.info.tier]}.")
        return offer

    def fitting(self, user: User, model_id: str | None) -> Offer:
        """The model of a room for a person: where it is not theirs to use, the first one that is.

        Raises:
            HubError: no model is for this person.
        """
        wanted = None if model_id is None else self._by_id.get(model_id)
        for offer in ((wanted,) if wanted is not None else ()) + self.offers:
            if offer.is_for(user.role, user.tier):
                return offer
        raise HubError("No model is for your account. An administrator can change that.")


def pair(
    standard: ChatModel,
    premium: ChatModel,
    *,
    characters: int | None = None,
    window: int | None = None,
    answer_tokens: int | None = None,
    pieces: int | None = None,
    is_local: bool = False,
    is_premium_local: bool = False,
    images: tuple[bool, bool] = (False, False),
    takes_tools: bool = False,
) -> Catalogue:
    """A model for everybody, and another one, or a longer answer of the same, for premium accounts.

    `images`: whether each takes images.
    """
    longer = None if premium.name != standard.name else "Longer answers of the same model"
    able = [model if takes_tools and isinstance(model, ToolModel) else None for model in (standard, premium)]
    infos = (
        Model(
            "standard",
            "Standard",
            "guest",
            standard.name,
            window,
            takes_images=images[0],
            takes_tools=able[0] is not None,
        ),
        Model(
            "premium",
            "Premium",
            "premium",
            longer or premium.name,
            window,
            takes_images=images[1],
            takes_tools=able[1] is not None,
        ),
    )
    return Catalogue(
        [
            Offer(infos[0], standard, characters, answer_tokens, pieces, is_local, able[0]),
            Offer(infos[1], premium, characters, answer_tokens, None, is_premium_local, able[1]),
        ]
    )
