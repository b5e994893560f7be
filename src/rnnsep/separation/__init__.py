"""Songs to their estimates."""
