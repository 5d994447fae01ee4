"""On AWS, what the pods of each function may do: its own inputs and outputs, and nothing of another's."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from headrace.manifests.function_objects import account_name
from headrace.model.function import Function
from headrace.model.tenancy import qualified
from infra.aws import rights
from infra.aws.account import Account
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround
from infra.components.aws.identity import PodsArgs, RoleArgs, TrustedRole, associate


@dataclass(frozen=True, slots=True)
class RolesArgs:
    """The functions, their namespace, what the platform has on AWS, and where roles are declared.

    `tenant`: whose functions they are; none: the stack's own.
    """

    functions: Sequence[Function]
    namespace: pulumi.Output[str]
    estate: pulumi.Output[Estate]
    ground: AwsGround
    tenant: str = ""


class FunctionRoles(pulumi.ComponentResource):
    """A role a function, which only the supervisor in its pods can use."""

    def __init__(self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:functions:Roles", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        for function in args.functions:
            self._create(function)
        self.register_outputs({})

    def _create(self, function: Function) -> None:
        args, service_account = self._args, account_name(function.name)
        named = qualified(args.tenant, function.name)
        trust = pulumi.Output.all(args.estate, args.namespace).apply(
            lambda known: written(
                rights.trusted_by_pods(known[0], namespace=known[1], service_account=service_account)
            )
        )
        role = TrustedRole(
            f"role-{function.name}",
            RoleArgs(
                name=args.estate.apply(lambda estate: _role_name(estate.account, named)),
                trust=trust,
                told=f"workers of the function {named}",
                ground=self._ground,
                own=args.estate.apply(lambda estate: written(rights.function(estate, function, args.tenant))),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        cluster = args.estate.apply(lambda estate: estate.cluster)
        pods = PodsArgs(cluster, args.namespace, service_account, role.arn, self._ground)
        associate(f"pods-{function.name}", pods)


def _role_name(account: Account, function: str) -> str:
    return account.role_name("function", function)
