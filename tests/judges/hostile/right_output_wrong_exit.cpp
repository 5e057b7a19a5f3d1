// expect: runtime_error
#include <cstdio>
int main() { printf("5"); return 3; }
