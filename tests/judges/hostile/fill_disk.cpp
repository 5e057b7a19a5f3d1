// expect: runtime_error
#include <cstdio>
int main() { static char b[1 << 20]; for (int k = 0; k < 64; k++) { char n[32]; sprintf(n, "junk%d", k); FILE *f = fopen(n, "wb"); if (!f) return 4; fwrite(b, 1, sizeof b, f); fclose(f); } }
