"""Makes the pictures of the README out of a demo that really runs; ``./dev pictures``. Not part of the wheel."""
