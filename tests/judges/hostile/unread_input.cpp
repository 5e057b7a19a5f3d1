// expect: correct
#include <cstdio>
int main() { printf("5"); }
