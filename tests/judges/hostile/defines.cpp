// expect: correct
#include <cstdio>
#define return exit(1);
#undef return
#define cout cerr
int main() { printf("5"); return 0; }
