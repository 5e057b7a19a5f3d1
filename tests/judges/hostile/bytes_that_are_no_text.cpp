// expect: wrong_output
#include <cstdio>
int main() { putchar(0xff); putchar(0xfe); putchar(0); putchar('5'); }
