"""From evidence to diagnosis: is a run healthy, slow, stuck or diverged, and is that proved?"""
