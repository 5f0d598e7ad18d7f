"""The engine on virtual time: what a centre would do with traffic that has not come yet."""
