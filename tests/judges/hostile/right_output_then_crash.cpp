// expect: runtime_error
#include <cstdio>
int main() { printf("5"); fflush(stdout); *(volatile int *)0 = 1; }
