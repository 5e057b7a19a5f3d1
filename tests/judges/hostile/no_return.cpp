// expect: correct
#include <cstdio>
int main() { int x = 7; x *= x; printf("5"); }
