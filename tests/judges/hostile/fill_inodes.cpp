// expect: runtime_error
#include <cstdio>
int main() { for (int k = 0; k < 1000; k++) { char n[64]; sprintf(n, "/tmp/composed-hostile-%d", k); FILE *f = fopen(n, "w"); if (!f) return 6; fclose(f); } }
