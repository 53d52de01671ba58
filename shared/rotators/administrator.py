"""
The administrator's password of a database server: there is one, so that setting a new one ends the old at once.

Nobody can read a password back, so that nothing proves that a secret holds this server's. Whoever can write tags
could have any server's password set, and put where he can read it. So the server must name the secret as well: by its
own tag `cordon-secret`, whose value is VAULT/NAME. Without it the owner is asked.
"""

from datetime import datetime
from typing import ClassVar

from shared.actions.interface import Applied, Proof
from shared.entries import WriteOutcome
from shared.errors import PlatformRefused
from shared.estate import SecretSeen, SecretValue
from shared.rotators.by_shape import may_tell_by_shape, providers_in
from shared.rotators.fallback import OrOwner
from shared.rotators.forms import Form, read_form
from shared.rotators.interface import Job, Keys, Minted, NeedsValue, RotatorMeans, Served, Serves, ServesNot
from shared.rotators.providers import read_provider
from shared.rotators.random_text import password
from shared.rotators.reading import Values, called, exposed_of, made_by_us, tagged_for, tags_in, values_of, versions_of
from shared.rotators.tags import CONSENT, CREDENTIAL, PROVIDER, check_room, consents, is_for, tag
from shared.signal import JsonObject

_ADMINISTRATOR = "administrator"
_ANY = frozenset({"", "user", "administrator", "admin", "password"})  # words of CredentialId that name nobody


class Administrator(OrOwner):
    """See `Rotator`. An entry of the catalogue says which kind of server it is (`what`) and what it needs."""

    name: ClassVar[str]
    what: ClassVar[str]
    keys: ClassVar[Keys] = "one"
    renames_key: ClassVar[bool] = False

    def serves(self, secret: SecretSeen) -> Served:
        if may_tell_by_shape(self.name, secret):
            return NeedsValue()
        provider = read_provider(tag(secret, PROVIDER))
        if provider is None or provider.what != self.what or not is_for(self.name, secret):
            return ServesNot()
        return Serves(provider.resource, _ADMINISTRATOR, f"its tags name the {self.what} server {provider.name}")

    async def recognise(self, secret: SecretSeen, value: SecretValue, means: RotatorMeans) -> Serves | ServesNot:
        """The value names the server, and the server this secret."""
        form = read_form(self.what, value.reveal())
        for provider in await providers_in(form, self.what, means) if form else ():
            if _wants(await means.estate.sources.read(provider.resource, self.what), secret):
                why = f"it names the {self.what} server {provider.name}, and that one names it"
                return Serves(provider.resource, _ADMINISTRATOR, why)
        return ServesNot()

    async def examine(self, job: Job, means: RotatorMeans) -> JsonObject | str:
        """Whether the server wants it, and the secret is surely its administrator's."""
        facts = await means.estate.sources.read(job.serves.resource, self.what)
        server = f"the {self.what} server {_short(job)}"
        if not _wants(facts, job.secret):
            return f"{server} does not name it by its tag {CONSENT}, which tags of the secret alone cannot stand for"
        login = str(facts.get("login") or "").lower()
        named = tag(job.secret, CREDENTIAL).lower()
        if named not in _ANY and named != login:
            return f"its tags name a user who is not the administrator of {server}"
        form = await self._form(job, means)
        if form is None:
            return "its value has a form that Cordon cannot write anew"
        if not _fits(form, login, _short(job)):
            return f"its value is of another user or server than the administrator of {server}"
        return {"login": login}

    async def _form(self, job: Job, means: RotatorMeans) -> Form | None:
        values = await values_of(job, await versions_of(job, means), means)
        return read_form(self.what, values.newest or "")

    async def mint(self, job: Job, before: JsonObject, means: RotatorMeans) -> Minted:
        """
        The password is set here, and with that the old one dies. What a crash left set and unpublished is of no
        use to anybody: another one is set.
        """
        versions = await versions_of(job, means)
        if published := made_by_us(job, versions):
            return Minted({"key": _ADMINISTRATOR}, version=published.version)
        form, doing = await self._form(job, means), f"setting a new password of {_short(job)}"
        if form is None:
            raise PlatformRefused(doing=doing, code="changed-meanwhile", why=_CHANGED)
        check_room(versions[0], {}, doing)
        fresh = await self._beside(job, means)
        if fresh is None:
            fresh = password(means.token)
            await means.estate.sources.set_password(job.serves.resource, self.what, SecretValue(fresh))
        return Minted(
            {"key": _ADMINISTRATOR, "setAt": means.clock().isoformat()},
            value=SecretValue(form.holding(fresh)),
        )

    async def _beside(self, job: Job, means: RotatorMeans) -> str | None:
        """The password that was set in this rotation already, from the other secret that holds it."""
        if job.beside_at is None:
            return None
        form = read_form(self.what, (await means.estate.vaults.value(*job.beside_at)).reveal())
        if form is None:
            raise PlatformRefused(
                doing=f"copying the password of {_short(job)}", code="changed-meanwhile", why=_CHANGED
            )
        return form.credential

    async def end(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Applied:
        """It died when the new one was set."""
        return Applied((WriteOutcome(write=f"set the password of {_short(job)}", outcome="already"),))

    async def prove(self, job: Job, before: JsonObject, made: JsonObject, means: RotatorMeans) -> Proof:
        """No call shows a password. What is proven is that the server took another one, which the vault holds."""
        versions = await versions_of(job, means)
        if made_by_us(job, versions) is None:
            return Proof("not-held", "the vault shows no version with the new password")
        values = await values_of(job, versions, means)
        if values.newest is not None and values.newest in values.exposed:
            return Proof("not-held", "the newest version holds the exposed value again")
        facts = await means.estate.sources.read(job.serves.resource, self.what)
        now = means.clock()
        if (doubtful := self._doubtful(job, before, versions, values, now)) is not None:
            return Proof(
                "unknown",
                f"{called(doubtful, versions, now)} is not surely of the administrator of {_short(job)}, and may open "
                "something else: find out what, and let it die there",
            )
        return Proof(
            "held",
            f"{_short(job)} took a new password for its one administrator {facts.get('login')}; no call shows a "
            "password, so this rests on the server's answer. Sessions that were open may stay until they are ended",
        )

    def _doubtful(
        self, job: Job, before: JsonObject, versions: tuple[SecretSeen, ...], values: Values, now: datetime
    ) -> str | None:
        """The first exposed version that may be of another server or user, where this new password ends nothing."""
        login = str(before.get("login") or "")
        return next(
            (
                version
                for version, seen in exposed_of(job, versions).items()
                if seen is None or not self._is_surely(job, seen, values.of(version), login, now)
            ),
            None,
        )

    def _is_surely(self, job: Job, seen: SecretSeen, value: str | None, login: str, now: datetime) -> bool:
        """By tags and value, as far as each of them tells; one of them has to name the server."""
        tagged = tagged_for(job.serves.resource, seen, now)
        if tagged is False or tag(seen, CREDENTIAL).lower() not in (*_ANY, login):
            return False
        form = read_form(self.what, value) if value is not None else None
        if form is None:
            return value is None and tagged is True
        return _fits(form, login, _short(job)) and (tagged is True or "host" in form.names)


_CHANGED = "the newest version was changed meanwhile, and its form is not understood. Ask its owner to rotate it."


def _wants(facts: JsonObject, secret: SecretSeen) -> bool:
    """Whether the server's own tag names this secret."""
    return consents(tags_in(facts, lambda name: name.lower() == CONSENT), secret)


def _fits(form: Form, login: str, server: str) -> bool:
    """Whether user and host, where the value names them, are the administrator (also as USER@SERVER) and the server."""
    user, host = form.names.get("user"), form.names.get("host")
    if user is not None and user.lower() not in (login, f"{login}@{server}"):
        return False
    return host is None or host.lower().removeprefix("tcp:").startswith((f"{server}.", f"{server}:")) or host == server


def _short(job: Job) -> str:
    """The server's name in its ARM id."""
    return job.serves.resource.split("/")[8]
