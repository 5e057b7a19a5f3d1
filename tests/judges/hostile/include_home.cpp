// expect: compile_error
#include "@HOME@/precious.txt"
int main() {}
