// expect: wrong_output
#include <cstdio>
#include <cstdlib>
int main() { atexit([] { printf("6"); }); printf("5"); }
