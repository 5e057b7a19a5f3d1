// expect: compile_error
int main() { return 0; } } int other() {{
