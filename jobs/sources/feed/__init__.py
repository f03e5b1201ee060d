"""RSS and Atom feeds: podcasts, and the video feeds of a channel."""
