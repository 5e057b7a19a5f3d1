// expect: correct
// As much of the kernel's memory as pipes can hold: few, since descriptors are few.
#include <unistd.h>
int main() {
  static char page[4096];
  int ends[2], pipes = 0;
  while (!pipe(ends)) {
    pipes++;
    for (int i = 0; i < 16; i++) if (write(ends[1], page, sizeof page) < 0) return 4;
  }
  write(1, pipes <= 32 ? "5" : "6", 1);
}
