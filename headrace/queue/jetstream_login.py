"""Opening one connection to a NATS server: who is trusted, who asks, and what a refusal means."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nats.aio.client import Client
from nats.errors import Error as NatsError

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import QueueSettings
from headrace.model.troubles import Trouble

CONNECT_SECONDS = 1
CLOSE_SECONDS = 1.0
PING_SECONDS = 3  # a server that leaves two in a row unanswered is taken for gone

OnError = Callable[[Exception], Awaitable[None]]
OnLoss = Callable[[Client], Awaitable[None]]


class _Client(Client):
    """Knows whether its connection was turned to TLS, which the library does if the server asks for it.

    https://github.com/nats-io/nats.py/blob/main/nats/src/nats/aio/client.py (_process_connect_init)
    """

    secured = False

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The library's; it is asked for when TLS begins, and what goes wrong then ends the connection."""
        self.secured = True
        context: ssl.SSLContext = super().ssl_context
        return context


async def login(settings: QueueSettings, *, on_error: OnError, on_loss: OnLoss) -> Client:
    """A connected client, which does not connect again by itself; it is told of when it is lost.

    Raises TransientError when the server can't be reached, ConfigurationError when it refuses us, when its
    certificate is not trusted, or when it does without TLS though that is demanded: then no secret is sent.
    """
    client, trust = _Client(), _trust(settings)

    async def lost() -> None:
        await on_loss(client)

    try:
        await client.connect(
            settings.url,
            user=settings.user or None,
            password=_guarded(settings.password, settings, client) if settings.user else None,
            token=_guarded(settings.token, settings, client) if settings.token else None,
            tls=trust,
            tls_hostname=settings.tls_hostname or None,
            error_cb=on_error,
            disconnected_cb=lost,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
        )
        _check_secured(settings, client)
    except (NatsError, OSError, TimeoutError) as error:
        raise _refusal(settings, error, client.last_error) from error
    except ConfigurationError:
        await close(client)
        raise
    finally:
        if not client.is_connected:
            await close(client)
    return client


async def close(client: Client) -> None:
    """Give a connection back; quiet when it is gone.

    The end of one on which TLS could not begin is waited for in vain: asyncio tells its stream of none.
    """
    with suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


def _demands_tls(settings: QueueSettings) -> bool:
    return bool(settings.ca_file) or settings.url.startswith("tls://")


def _trust(settings: QueueSettings) -> ssl.SSLContext | None:
    """Read at each connection, as a renewed authority takes the old one's place. None: the library's own."""
    if not settings.ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigurationError(
            f"queue.caFile {settings.ca_file} can't be used ({error.strerror or error}); "
            "name a file of certificates as PEM that can be read"
        ) from error


def _guarded(secret: str, settings: QueueSettings, client: _Client) -> Callable[[], str]:
    """What gives the secret when the library tells the server who we are, which comes after TLS."""

    def give() -> str:
        _check_secured(settings, client)
        return secret

    return give


def _check_secured(settings: QueueSettings, client: _Client) -> None:
    if _demands_tls(settings) and not client.secured:
        raise ConfigurationError(
            f"the queue server {settings.url} offers no TLS, which a tls:// address and queue.caFile demand; "
            "give the server a certificate, or name the right server",
            trouble=Trouble.QUEUE_UNTRUSTED,
        )


def _refusal(
    settings: QueueSettings, error: Exception, last: Exception | None
) -> ConfigurationError | TransientError:
    """What the library's error means to whoever asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"the queue server {settings.url} is not trusted: {error.verify_message}; "
            "name its authority as queue.caFile and the name in its certificate as queue.tlsHostname",
            trouble=Trouble.QUEUE_UNTRUSTED,
        )
    if "authorization" in str(error).lower():
        who = f"user {settings.user!r} with this password" if settings.user else "the token"
        return ConfigurationError(
            f"the queue server {settings.url} refused {who}", trouble=Trouble.QUEUE_REFUSED
        )
    return TransientError(
        f"the queue server {settings.url} can't be reached: {last or error!r}", trouble=Trouble.QUEUE_AWAY
    )
