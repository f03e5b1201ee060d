"""What was made of some content, kept in Redis for whoever meets the same content again."""

from __future__ import annotations

from jobs.content_cache.cache import CacheStats, ContentCache

__all__ = ["CacheStats", "ContentCache"]
