// expect: correct
#pragma GCC optimize("O3")
#pragma message("a message")
#pragma GCC poison fork
#include <cstdio>
int main() { printf("5"); return 0; }
