// expect: wrong_output
#include <cstdio>
int main() { printf("55"); }
