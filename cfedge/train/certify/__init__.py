"""What may be promised of a workspace's tasks, all judged together with the lookup that ships."""
