"""What an arena may be laid out for; a module that loads nothing, for the help of options."""

BALANCED, RAM, SPEED = "balanced", "ram", "speed"
OPTIMIZE = (BALANCED, RAM, SPEED)
