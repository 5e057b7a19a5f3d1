// expect: output_limit
#include <cstdio>
int main() { static char b[1 << 16]; for (;;) fwrite(b, 1, sizeof b, stderr); }
