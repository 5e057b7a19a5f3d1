// expect: runtime_error
#include <cstdio>
#include <dirent.h>
int main() { DIR *d = opendir(".."); if (!d) return 8; int seen = 0; while (readdir(d)) seen++; if (seen <= 3) return 8; printf("%d", seen); }
