"""How each GitHub event becomes a CloudEvent: the GitHub adapter document of the CloudEvents project, as a table.

A row's `{path}` stands for the payload's value there, in which `*` is the action; `{path/..}` for a URL without its
last segment. Where the document leaves a question open, the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

__all__ = ["ACTION", "EVENTS", "NO_ACTION", "Row"]

ACTION: Final = "com.github.{event}.{action}"
NO_ACTION: Final = "com.github.{event}"

_REPOSITORY = "{repository.url}"
_OWNER = "{repository.owner.url}"
_ACCOUNT = "{installation.account.url}"
_PULL_REQUEST = "{pull_request.url}"


@frozen
class Row:
    """Where an event's attributes are found; `time` lists places, of which the first that holds a time counts."""

    source: str = _REPOSITORY
    subject: str | None = None
    time: tuple[str, ...] = ()
    type: str = ACTION


EVENTS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "branch_protection_configuration": Row(),
        "branch_protection_rule": Row(subject="{rule.id}", time=("{rule.updated_at}",)),
        "check_run": Row(subject="{check_run.id}", time=("{check_run.completed_at}", "{check_run.started_at}")),
        "check_suite": Row(subject="{check_suite.id}", time=("{check_suite.updated_at}",)),
        "code_scanning_alert": Row(subject="{alert.number}"),
        "commit_comment": Row(
            "{comment.url}/{comment.commit_id}", subject="{comment.id}", time=("{comment.updated_at}",)
        ),
        "content_reference": Row(subject="{content_reference.id}"),
        "create": Row(subject="{ref}", type="com.github.create.{ref_type}"),
        "custom_property": Row(subject="{definition.property_name}"),
        "custom_property_values": Row(),
        "delete": Row(subject="{ref}", type="com.github.delete.{ref_type}"),
        "dependabot_alert": Row(subject="{alert.id}"),
        "deploy_key": Row(subject="{key.id}", time=("{key.deleted_at}", "{key.created_at}")),
        "deployment": Row(subject="{deployment.id}", time=("{deployment.updated_at}",), type=NO_ACTION),
        "deployment_protection_rule": Row("{deployment.url}", subject="{deployment.id}"),
        "deployment_review": Row("{deployment.url}", subject="{workflow_run.id}"),
        "deployment_status": Row(
            subject="{deployment_status.url}",
            time=("{deployment_status.updated_at}",),
            type="com.github.deployment_status.{deployment_status.state}",
        ),
        "discussion": Row(subject="{discussion.id}"),
        "discussion_comment": Row(subject="{discussion.id}", time=("{comment.updated_at}",)),
        "fork": Row(subject="{forkee.url}", time=("{forkee.created_at}",), type=NO_ACTION),
        "github_app_authorization": Row("{sender.url}", type=NO_ACTION),
        "gollum": Row(type=NO_ACTION),
        # Here updated_at may be a number, seconds since the epoch; the document wonders about it.
        "installation": Row(_ACCOUNT, subject="{installation.id}", time=("{installation.updated_at}",)),
        "installation_repositories": Row(_ACCOUNT, subject="{installation.id}", time=("{installation.updated_at}",)),
        "installation_target": Row(_ACCOUNT, subject="{installation.id}"),
        "issue_comment": Row("{issue.url}", subject="{comment.id}", time=("{comment.updated_at}",)),
        "issues": Row(subject="{issue.number}", time=("{issue.updated_at}",)),
        "label": Row(subject="{label.name}"),
        "marketplace_purchase": Row(
            "{sender.url/..}", subject="{marketplace_purchase.account.login}", time=("{effective_date}",)
        ),
        "member": Row(subject="{member.login}"),
        # Login or id? The document names the login first.
        "membership": Row("{team.url}", subject="{member.login}", type="com.github.membership.{scope}.{action}"),
        "merge_group": Row(subject="{merge_group.head_ref}"),
        "meta": Row(subject="{hook_id}", time=("{hook.updated_at}",)),
        "milestone": Row(subject="{milestone.number}", time=("{milestone.updated_at}",)),
        "org_block": Row("{organization.url}", subject="{blocked_user.login}"),
        "organization": Row("{organization.url}", subject="{membership.user.login}"),
        "package": Row(subject="{package.id}", time=("{package.updated_at}", "{package.created_at}")),
        "page_build": Row(subject="{build.url}", time=("{pusher.updated_at}",), type=NO_ACTION),
        "project": Row(subject="{project.id}", time=("{project.updated_at}",)),
        "project_card": Row(subject="{project_card.id}", time=("{project_card.updated_at}",)),
        "project_column": Row(subject="{project_column.id}", time=("{project_column.updated_at}",)),
        "projects_v2": Row(subject="{projects_v2.id}", time=("{projects_v2.updated_at}",)),
        "projects_v2_item": Row(subject="{projects_v2_item.id}", time=("{projects_v2_item.updated_at}",)),
        "projects_v2_status_update": Row(
            subject="{projects_v2_status_update.id}", time=("{projects_v2_status_update.updated_at}",)
        ),
        "public": Row(_OWNER, subject="{repository.name}", time=("{repository.updated_at}",), type=NO_ACTION),
        "pull_request": Row(subject="{number}", time=("{pull_request.updated_at}",)),
        "pull_request_review": Row(_PULL_REQUEST, subject="{review.id}", time=("{review.submitted_at}",)),
        "pull_request_review_comment": Row(_PULL_REQUEST, subject="{comment.id}", time=("{pull_request.updated_at}",)),
        "pull_request_review_thread": Row(_PULL_REQUEST, subject="{pull_request.id}"),
        # Current time or repository.updated_at? The document names the first.
        "push": Row(subject="{ref}", type=NO_ACTION),
        "registry_package": Row(subject="{registry_package.html_url}", time=("{registry_package.updated_at}",)),
        # "release.*_at based on action": published_at for published, created_at for created.
        "release": Row(subject="{release.id}", time=("{release.*_at}",)),
        "repository": Row(_OWNER, subject="{repository.name}", time=("{repository.updated_at}",)),
        "repository_advisory": Row(subject="{repository_advisory.ghsa_id}", time=("{repository_advisory.updated_at}",)),
        # In this row and that of repository_ruleset the document forgot the dot before the action.
        "repository_dispatch": Row(_OWNER),
        "repository_import": Row(
            _OWNER, subject="{repository.name}", time=("{repository.updated_at}",), type=NO_ACTION
        ),
        "repository_ruleset": Row(_OWNER, subject="{repository.name}", time=("{repository.updated_at}",)),
        # Current time or repository.updated_at? The document names the first.
        "repository_vulnerability_alert": Row(subject="{alert.id}"),
        "secret_scanning_alert": Row(subject="{alert.number}", time=("{alert.updated_at}", "{alert.created_at}")),
        "secret_scanning_alert_location": Row(
            subject="{alert.number}", time=("{alert.updated_at}", "{alert.created_at}")
        ),
        "security_advisory": Row(
            "github.com", subject="{security_advisory.ghsa_id}", time=("{security_advisory.updated_at}",)
        ),
        "security_and_analysis": Row(type=NO_ACTION),
        "sponsorship": Row(subject="{sponsorship.sponsor.login}"),
        "star": Row(time=("{starred_at}",)),
        # The document has `com.github.status.` and asks whether the state follows; nothing else would make sense.
        "status": Row(subject="{sha}", time=("{updated_at}",), type="com.github.status.{state}"),
        "team": Row(subject="{team.id}", time=("{updated_at}",)),
        "team_add": Row(subject="{team.id}"),
        "watch": Row(),
        "workflow_dispatch": Row(subject="{workflow}", type=NO_ACTION),
        "workflow_job": Row(subject="{workflow_job.name}"),
        "workflow_run": Row(subject="{workflow.name}"),
    }
)
