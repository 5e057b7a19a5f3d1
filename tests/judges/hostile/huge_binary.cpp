// expect: compile_error
int a[1u << 29] = {1};
int main() { return a[5]; }
