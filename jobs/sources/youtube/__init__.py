"""The YouTube Data API: what a channel costs, what to ask for, and what was answered."""
