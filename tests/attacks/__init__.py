"""What somebody did who meant harm, each as a test that says what holds now."""
