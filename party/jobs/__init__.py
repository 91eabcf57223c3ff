"""The jobs that come with the project; each is written the way a user would write one."""
