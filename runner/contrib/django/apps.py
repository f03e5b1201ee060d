"""The app of `INSTALLED_APPS`."""

from __future__ import annotations

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    """Finds the tasks of every installed app, as the admin finds its pages."""

    name = "runner.contrib.django"
    label = "runner_django"
    verbose_name = "Background jobs"

    def ready(self) -> None:
        """Import the modules `tasks` and `jobs` of each installed app."""
        from runner.contrib.django.discovery import import_modules

        import_modules()
