// expect: wrong_output
#include <cstdio>
int main() { printf("5 \n"); }
