"""An alarm on what the account costs."""

from dataclasses import dataclass

import pulumi
from pulumi_aws.budgets import Budget as AwsBudget
from pulumi_aws.budgets import BudgetNotificationArgs

from infra.aws.account import Account
from infra.aws_ground import AwsGround
from infra.aws_settings import Budget as BudgetSettings

# What was spent, and what AWS foresees for the month, in percent of the amount.
SPENT, FORESEEN = ("ACTUAL", 80.0), ("FORECASTED", 100.0)


@dataclass(frozen=True, slots=True)
class BudgetArgs:
    """What is configured, and where it is declared."""

    budget: BudgetSettings
    account: Account
    ground: AwsGround


class Budget(pulumi.ComponentResource):
    """It tells; it stops nothing."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Budget", name, None, opts)
        AwsBudget(
            name,
            name=args.account.own("budget", args.account.region),  # the account has budgets, not the region
            account_id=args.account.id,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.budget.amount:.2f}",
            limit_unit="USD",
            notifications=[
                BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(args.budget.mails),
                )
                for kind, percent in (SPENT, FORESEEN)
            ],
            opts=args.ground.under(self).options(),
        )
        self.register_outputs({})
