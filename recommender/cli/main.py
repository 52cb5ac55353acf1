"""The command group; each command lives beside the part of the product it drives."""

import importlib
import sys

import click

from recommender import __version__
from recommender.errors import InvalidInputError, RecommenderError

# Commands are imported when called, so that `--help` and quick commands start at once.
_COMMANDS = {
    "up": "recommender.cli.run_commands:up",
    "serve": "recommender.cli.run_commands:serve",
    "ingest": "recommender.cli.run_commands:ingest",
    "schedule": "recommender.cli.run_commands:schedule",
    "demo": "recommender.cli.demo_commands:demo",
    "shop": "recommender.cli.shop_commands:shop",
    "login": "recommender.cli.login_commands:login",
    "key": "recommender.cli.key_commands:key",
    "audit": "recommender.cli.audit_commands:audit",
    "import": "recommender.cli.data_commands:import_file",
    "rejected": "recommender.cli.rejected_commands:rejected",
    "days": "recommender.cli.day_commands:days",
    "reconcile": "recommender.cli.order_commands:reconcile_files",
    "orders": "recommender.cli.order_commands:orders",
    "train": "recommender.cli.train_commands:train",
    "evaluate": "recommender.cli.evaluate_commands:evaluate",
    "artifact": "recommender.cli.artifact_commands:artifact",
    "rules": "recommender.cli.rules_commands:rules",
    "exclusions": "recommender.cli.exclusion_commands:exclusions",
    "plan": "recommender.cli.plan_commands:plan",
    "design": "recommender.cli.plan_commands:design",
    "measure": "recommender.cli.money_commands:measure",
    "settle": "recommender.cli.money_commands:settle",
    "verify": "recommender.cli.money_commands:verify",
    "entity": "recommender.cli.party_commands:entity",
    "buyer": "recommender.cli.party_commands:buyer",
    "payments": "recommender.cli.payment_commands:payments",
    "journal": "recommender.cli.payment_commands:journal",
    "uplift": "recommender.cli.uplift_commands:uplift",
    "ledger": "recommender.cli.ledger_commands:ledger",
    "erase": "recommender.cli.people_commands:erase_visitor",
    "export": "recommender.cli.people_commands:export",
    "backup": "recommender.cli.backup_commands:backup",
    "restore": "recommender.cli.backup_commands:restore",
    "bench": "recommender.cli.bench_commands:bench",
    "migrate": "recommender.cli.run_commands:migrate",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(__version__, prog_name="recommender")
def group() -> None:
    """Recommendations for web shops, paid by the revenue they are proven to cause."""


def main() -> None:
    """Run a command; an error is one clear line, status 2 for wrong use and 1 for a failure."""
    try:
        # Outside its standalone mode click returns the status of an `Exit` instead of raising it.
        status = group.main(standalone_mode=False, prog_name="recommender")
        sys.exit(status if isinstance(status, int) else 0)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except InvalidInputError as error:
        click.echo(f"Error: {error} [{error.code}]", err=True)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        # A path that somebody named, here or in a setting.
        click.echo(f"Error: {error.filename}: {error.strerror} [bad-path]", err=True)
        sys.exit(2)
    except RecommenderError as error:
        click.echo(f"Error: {error} [{error.code}]", err=True)
        sys.exit(1)
