"""
Django: a backend for its tasks, database connections that jobs give back, `manage.py pipeline`.

    INSTALLED_APPS = [..., "django_tasks", "runner.contrib.django"]     # Django 6 has its own tasks
    TASKS = {
        "default": {
            "BACKEND": "runner.contrib.django.backend.PipelineBackend",
            "QUEUES": ["default", "mail"],
        },
    }

Tasks, and jobs made by `@job`, are found in the modules `tasks` and `jobs` of each installed app.
"""
