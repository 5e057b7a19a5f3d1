// expect: time_limit
int main() { for (volatile unsigned long x = 0;; x = x + 1) {} }
